CREATE TABLE t (k double precision PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('NaN', 1),
  ('Infinity', 2),
  ('-Infinity', 3),
  ('-0', 4),
  (0.1, 5),
  (4.9406564584124654e-324, 6),
  (0.30000000000000004, 7),
  (1e300, 8);
