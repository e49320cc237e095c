MODIFY e ENUM('c','b','a')
