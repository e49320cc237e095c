CREATE TABLE t (id INT NOT NULL PRIMARY KEY, e ENUM('a','ü'), s SET('x','y')) CHARACTER SET latin1;
INSERT INTO t VALUES (1, 'a', 'x'), (2, NULL, '');
