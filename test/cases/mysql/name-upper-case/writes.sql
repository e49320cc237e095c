INSERT INTO `MixedCase` VALUES (5, 50, 'five', 500), (6, NULL, 'six', 600);
UPDATE `MixedCase` SET a = 11, b = 'ONE' WHERE id = 1;
UPDATE `MixedCase` SET id = 7 WHERE id = 2;
DELETE FROM `MixedCase` WHERE id = 4;
