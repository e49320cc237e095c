MODIFY e ENUM('ä','ß','c') CHARACTER SET utf8mb4
