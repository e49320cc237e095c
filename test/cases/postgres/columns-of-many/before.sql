CREATE TABLE t (id int PRIMARY KEY);
DO $$ BEGIN FOR n IN 1..300 LOOP EXECUTE format('ALTER TABLE t ADD c%s int DEFAULT %s', n, n); END LOOP; END $$;
INSERT INTO t SELECT n FROM generate_series(1, 20) AS n;
