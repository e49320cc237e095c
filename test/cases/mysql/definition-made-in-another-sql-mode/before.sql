SET sql_mode = 'PIPES_AS_CONCAT,ANSI_QUOTES';
CREATE TABLE t (id INT NOT NULL PRIMARY KEY, a INT, b VARCHAR(20), c INT NOT NULL DEFAULT 3, g VARCHAR(80) GENERATED ALWAYS AS ("b" || '||' || "a") STORED, CHECK ("b" || 'x' <> 'yx'));
INSERT INTO t (id, a, b) VALUES (1, 1, 'one'), (2, 2, 'two'), (4, 4, NULL);
