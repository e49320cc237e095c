INSERT INTO t_with_a_name_that_its_old_table_makes_longer VALUES (4, 6, 7, 8);
UPDATE t_with_a_name_that_its_old_table_makes_longer SET b = 100 WHERE id = 1;
UPDATE t_with_a_name_that_its_old_table_makes_longer SET id = 10 WHERE id = 2;
