CREATE TABLE t (id INT NOT NULL PRIMARY KEY, u INT NOT NULL, a INT, UNIQUE KEY by_u (u));
CREATE TABLE digits (d INT NOT NULL PRIMARY KEY);
INSERT INTO digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9);
INSERT INTO t
  SELECT ones.d + 10 * tens.d + 100 * hundreds.d + 1000 * thousands.d AS id, 10000 + ones.d + 10 * tens.d + 100 * hundreds.d + 1000 * thousands.d, 7
  FROM digits AS ones, digits AS tens, digits AS hundreds, digits AS thousands
  ORDER BY id;
DROP TABLE digits;
