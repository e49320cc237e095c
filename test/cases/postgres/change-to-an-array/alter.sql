ALTER a TYPE text[] USING string_to_array(a, ','), ALTER b TYPE integer[] USING ARRAY[b], ALTER c TYPE bigint[] USING c::bigint[]
