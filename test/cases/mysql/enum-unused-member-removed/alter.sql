MODIFY e ENUM('a','b'), MODIFY s SET('x','y')
