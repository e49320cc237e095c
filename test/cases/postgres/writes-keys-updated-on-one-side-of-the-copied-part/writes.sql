UPDATE t SET id = id + 5 WHERE id <= 50;
UPDATE t SET id = id - 5 WHERE id >= 9950;
UPDATE t SET id = id + 1 WHERE id = 15;
UPDATE t SET id = 15, a = -1 WHERE id = 16;
UPDATE t SET id = 9991 WHERE id = 9995;
UPDATE t SET id = 9995, b = NULL WHERE id = 9991;
