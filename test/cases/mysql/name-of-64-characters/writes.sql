INSERT INTO `tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt` VALUES (5, 50, 'five', 500), (6, NULL, 'six', 600);
UPDATE `tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt` SET a = 11, b = 'ONE' WHERE id = 1;
UPDATE `tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt` SET id = 7 WHERE id = 2;
DELETE FROM `tttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt` WHERE id = 4;
