DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET datestyle TO ''SQL, DMY''', current_database()); END $$;
CREATE TABLE t (id integer PRIMARY KEY, a text, b text);
INSERT INTO t VALUES (1, '01/02/03', '03/04/2024 05:06'), (2, '31/12/99', NULL), (3, '2024-02-03', '2024-02-03 00:00'), (4, NULL, 'infinity');
