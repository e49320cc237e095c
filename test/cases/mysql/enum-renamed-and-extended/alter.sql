CHANGE e f ENUM('a','b','c','d')
