INSERT INTO `select` VALUES (5, 50, 'five', 500), (6, NULL, 'six', 600);
UPDATE `select` SET a = 11, b = 'ONE' WHERE id = 1;
UPDATE `select` SET id = 7 WHERE id = 2;
DELETE FROM `select` WHERE id = 4;
