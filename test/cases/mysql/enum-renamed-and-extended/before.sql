CREATE TABLE t (id INT NOT NULL PRIMARY KEY, e ENUM('a','b','c'), s SET('x','y','z'));
INSERT INTO t VALUES (1, 'a', 'x'), (2, 'b', 'x,y'), (3, NULL, NULL), (4, 'a', '');
