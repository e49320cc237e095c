MODIFY e ENUM('new','a','b','c'), MODIFY s SET('z','y','x')
