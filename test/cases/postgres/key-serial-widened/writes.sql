INSERT INTO t (a) SELECT n FROM generate_series(1, 50) AS n;
DELETE FROM t WHERE id = 205;
SELECT nextval('t_id_seq');
