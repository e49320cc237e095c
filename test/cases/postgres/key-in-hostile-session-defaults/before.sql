DO $$ DECLARE setting text;
BEGIN
  FOREACH setting IN ARRAY ARRAY['timezone TO ''America/St_Johns''', 'datestyle TO ''German, DMY''', 'intervalstyle TO ''sql_standard''',
    'extra_float_digits TO ''-10''', 'bytea_output TO ''escape''', 'search_path TO ''pg_temp''', 'quote_all_identifiers TO ''on''', 'default_transaction_isolation TO ''serializable''',
    'default_transaction_read_only TO ''off''', 'statement_timeout TO ''20s''', 'xmlbinary TO ''hex''', 'array_nulls TO ''off''', 'transform_null_equals TO ''on'''] LOOP
    EXECUTE format('ALTER DATABASE %I SET %s', current_database(), setting);
  END LOOP;
END $$;
CREATE TABLE public.t (a timestamptz, b double precision, c interval, d bytea, e date, v integer, tz timestamptz, PRIMARY KEY (a, b, c, d, e));
INSERT INTO public.t SELECT '2024-10-27 00:30+00'::timestamptz + n % 3 * interval '1 hour', n / 3.0, make_interval(months => n, days => -n, hours => 5),
  decode(lpad(to_hex(n), 2, '0'), 'hex'), DATE '2024-02-01' + n, n FROM generate_series(0, 40) AS n;
