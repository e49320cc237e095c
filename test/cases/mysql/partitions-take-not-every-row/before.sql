CREATE TABLE t (
  id INT NOT NULL,
  a INT NOT NULL,
  PRIMARY KEY (id, a)
);
INSERT INTO t VALUES (1, 10), (2, 20), (3, 30), (4, 40), (5, 11);
