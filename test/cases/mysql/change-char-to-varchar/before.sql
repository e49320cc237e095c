CREATE TABLE t (id INT NOT NULL PRIMARY KEY, v CHAR(10), w VARCHAR(20));
INSERT INTO t VALUES (1, 'plain  ', 'plain'), (2, ' lead', ' lead'), (3, NULL, NULL);
