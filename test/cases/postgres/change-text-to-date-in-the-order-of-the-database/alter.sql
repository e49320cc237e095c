ALTER a TYPE date USING a::date, ALTER b TYPE timestamp USING b::timestamp
