CREATE TABLE t (
  id INT NOT NULL PRIMARY KEY,
  a INT,
  b VARCHAR(40),
  v INT AS (a * 2) VIRTUAL,
  KEY by_a (a),
  KEY by_v (v),
  KEY by_sum ((a + id)),
  KEY by_both (v, b)
);
INSERT INTO t (id, a, b) VALUES (1, 10, 'one'), (2, 20, 'two'), (3, NULL, NULL), (4, 40, 'four');
