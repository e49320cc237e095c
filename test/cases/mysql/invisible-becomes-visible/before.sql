CREATE TABLE t (id INT NOT NULL PRIMARY KEY, a INT, hidden VARCHAR(20) INVISIBLE DEFAULT 'h', shown INT);
INSERT INTO t (id, a, hidden, shown) VALUES (1, 1, 'secret', 1), (2, 2, NULL, 2);
