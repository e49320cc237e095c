DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone TO ''Europe/Berlin''', current_database()); END $$;
CREATE TABLE t (id integer PRIMARY KEY, a timestamp, b timestamptz, c date, d timestamptz, e timestamp);
INSERT INTO t VALUES
  (1, '2024-03-31 02:30', '2024-03-31 02:30+02', '2024-03-31', '2024-10-27 00:30+00', '2024-10-27 02:30'), (2, 'infinity', '-infinity', 'infinity', 'infinity', 'infinity'),
  (3, '0044-03-15 12:00 BC', '0044-03-15 12:00 BC', '0044-03-15 BC', '1893-04-01 00:00+00', '1893-04-01 00:03'), (4, NULL, NULL, NULL, NULL, NULL), (5, '1980-04-06 02:30', '2024-10-27 01:30+00', '2024-10-27', '10000-01-01 00:00+00', '10000-01-01');
