CREATE TABLE t (k money PRIMARY KEY, v integer);
INSERT INTO t VALUES
  (0::money, 1),
  ((-1.5)::money, 2),
  (1234567.89::money, 3),
  ((-92233720368547758.08)::money, 4),
  (92233720368547758.07::money, 5),
  (0.01::money, 6),
  (9::money, 7);
