CREATE TABLE t (k real PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('NaN', 1),
  ('Infinity', 2),
  ('-Infinity', 3),
  ('0', 4),
  (0.1, 5),
  (1.4e-45, 6),
  (0.3, 7),
  (3.4028235e38, 8);
