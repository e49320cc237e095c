CREATE TABLE t (id INT NOT NULL PRIMARY KEY, e ENUM('a','b','c'), s SET('x','y','z'), v VARCHAR(10));
INSERT INTO t VALUES (1, 'a', 'x', 'p'), (2, 'b', 'x,y', 'q'), (3, NULL, NULL, NULL);
