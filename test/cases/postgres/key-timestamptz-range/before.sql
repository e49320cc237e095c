CREATE TABLE t (k tstzrange PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('empty', 1),
  ('(,)', 2),
  ('["2024-01-01 00:00+00",)', 3),
  ('["2024-01-01 00:00+00","2024-01-02 00:00+00"]', 4),
  ('[infinity,]', 5),
  ('(,-infinity)', 6);
