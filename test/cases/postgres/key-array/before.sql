CREATE TABLE t (k integer[] PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('{}', 1),
  ('{1}', 2),
  ('{1,NULL}', 3),
  ('{2}', 4),
  ('{{1}}', 5),
  ('[0:0]={1}', 6),
  ('{10}', 7);
