CREATE TABLE t_with_a_name_that_its_old_table_makes_longer (id INT NOT NULL PRIMARY KEY, a INT, b INT, c INT CHECK (c > 0), CONSTRAINT positive CHECK (a >= 0), CHECK (a < b));
INSERT INTO t_with_a_name_that_its_old_table_makes_longer VALUES (1, 1, 2, 1), (2, 5, 9, 1), (3, NULL, NULL, 4);
