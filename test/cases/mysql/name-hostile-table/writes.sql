INSERT INTO `a``b "c" 'd'; é%_?--` VALUES (5, 50, 'five', 500), (6, NULL, 'six', 600);
UPDATE `a``b "c" 'd'; é%_?--` SET a = 11, b = 'ONE' WHERE id = 1;
UPDATE `a``b "c" 'd'; é%_?--` SET id = 7 WHERE id = 2;
DELETE FROM `a``b "c" 'd'; é%_?--` WHERE id = 4;
