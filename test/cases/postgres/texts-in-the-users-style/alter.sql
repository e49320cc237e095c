ALTER d TYPE text, ALTER at TYPE text USING at::text, ALTER b TYPE text USING b::text, ALTER f TYPE text,
  ALTER x TYPE text USING xmlelement(name b, x)::text, ALTER n TYPE text[] USING ('{NULL,' || n || '}')::text[], ALTER day TYPE date USING day::date,
  ADD told text DEFAULT DATE '2024-05-06'::text
