ALTER a TYPE text USING encode(a, 'hex'), ALTER b TYPE bytea USING convert_to(b, 'UTF8'), ALTER c TYPE text, ALTER d TYPE uuid USING d::uuid
