MODIFY e ENUM('a','b','c','d'), MODIFY s SET('x','y','z','w')
