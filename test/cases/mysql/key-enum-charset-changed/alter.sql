MODIFY e ENUM('a','é','B','ß','new') CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL, MODIFY s SET('x','ÿ') CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL
