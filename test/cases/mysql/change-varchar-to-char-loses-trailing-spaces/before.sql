CREATE TABLE t (id INT NOT NULL PRIMARY KEY, w VARCHAR(20));
INSERT INTO t VALUES (1, 'plain  '), (2, ' lead'), (3, '  ');
