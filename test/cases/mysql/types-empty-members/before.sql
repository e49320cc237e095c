SET SESSION sql_mode = '';
CREATE TABLE t (
  k SET('a', '', 'b') NOT NULL,
  n INT NOT NULL,
  s SET('', 'x'),
  e ENUM('x', ''),
  v INT,
  PRIMARY KEY (k, n)
);
INSERT INTO t VALUES (0, 1, 1, 2, 1), (2, 2, 3, 1, 2), (1, 3, 0, 'none', 3), (3, 4, 2, NULL, 4), (6, 5, NULL, 1, 5);
