CREATE TABLE t (id INT NOT NULL PRIMARY KEY, e ENUM('a','ü','c'), s SET('x','ß'), v VARCHAR(9)) CHARACTER SET latin1;
INSERT INTO t VALUES (1, 'a', 'x', 'ö'), (2, 'ü', 'x,ß', NULL), (3, NULL, '', '');
