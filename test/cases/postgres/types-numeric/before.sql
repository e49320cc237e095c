CREATE TABLE t (
  id integer PRIMARY KEY,
  n numeric, n5 numeric(5,2), neg numeric(3,-2), small numeric(3,5), wide numeric(1000,500)
);
INSERT INTO t (id, n, n5, neg, small, wide) VALUES
  (1, 'NaN', 'NaN', 'NaN', 'NaN', 'NaN'),
  (2, 'Infinity', 999.99, 99900, 0.00999, 1),
  (3, '-Infinity', -999.99, -99900, -0.00999, -1),
  (4, 0, 0, 0, 0, 0),
  (5, 0.00, -0.00, 49, 0.000004, repeat('9', 500)::numeric),
  (6, ('1' || repeat('0', 131071))::numeric, 1.1, NULL, NULL, NULL),
  (7, ('0.' || repeat('0', 16382) || '1')::numeric, 1.10, NULL, NULL, ('0.' || repeat('1', 500))::numeric),
  (8, 1.000, 1.0, NULL, NULL, NULL),
  (9, 1e-20, NULL, NULL, NULL, NULL);
