UPDATE t SET m = NULL WHERE id = 1;
UPDATE t SET m = m * -1 WHERE id = 5;
INSERT INTO t VALUES (7, 0.01::money);
