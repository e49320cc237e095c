CREATE TABLE t (id INT NOT NULL, code VARCHAR(10) NOT NULL, n INT, PRIMARY KEY (id), UNIQUE KEY by_code (code));
INSERT INTO t VALUES (1, 'c', 1), (2, 'b', 2), (3, 'a', 3);
