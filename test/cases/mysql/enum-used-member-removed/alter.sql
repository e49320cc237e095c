MODIFY e ENUM('a','c')
