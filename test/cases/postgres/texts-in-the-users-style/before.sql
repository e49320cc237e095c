DO $$ DECLARE setting text;
BEGIN
  FOREACH setting IN ARRAY ARRAY['datestyle TO ''German, MDY''', 'bytea_output TO ''escape''', 'extra_float_digits TO ''-2''',
    'xmlbinary TO ''hex''', 'array_nulls TO ''off'''] LOOP
    EXECUTE format('ALTER DATABASE %I SET %s', current_database(), setting);
  END LOOP;
END $$;
CREATE TABLE t (id integer PRIMARY KEY, d date, at timestamp, b bytea, f double precision, x bytea, n integer, day text, kept bytea);
INSERT INTO t SELECT n, DATE '2024-02-01' + n, TIMESTAMP '2024-02-01 03:04:05.6' + n * interval '1 day', decode('deadbe' || lpad(to_hex(n), 2, '0'), 'hex'),
  n / 3.0, '\xcafe', n, '03/04/2026', '\xff' FROM generate_series(1, 20) AS n;
