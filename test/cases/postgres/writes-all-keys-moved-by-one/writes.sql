UPDATE t SET id = id + 1;
UPDATE t SET id = -id;
UPDATE t SET id = -id - 1;
UPDATE t SET id = -id;
UPDATE t SET id = 3 - id;
