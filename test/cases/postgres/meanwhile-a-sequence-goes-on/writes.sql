INSERT INTO t (a) VALUES ('x'), ('y');
SELECT setval('t_id_seq', 1000);
INSERT INTO t (a) VALUES ('z');
SELECT nextval('t_i_seq');
ALTER SEQUENCE t_id_seq RESTART 5000;
