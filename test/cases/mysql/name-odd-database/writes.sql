INSERT INTO `order` VALUES (5, 50, 'five', 500), (6, NULL, 'six', 600);
UPDATE `order` SET a = 11, b = 'ONE' WHERE id = 1;
UPDATE `order` SET id = 7 WHERE id = 2;
DELETE FROM `order` WHERE id = 4;
