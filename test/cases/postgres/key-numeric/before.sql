CREATE TABLE t (k numeric PRIMARY KEY, v integer);
INSERT INTO t VALUES
  ('NaN', 1),
  ('Infinity', 2),
  ('-Infinity', 3),
  (0.00, 4),
  (1.0, 5),
  (1e-20, 6),
  (123456789012345678901234567890, 7),
  (-0.001, 8);
