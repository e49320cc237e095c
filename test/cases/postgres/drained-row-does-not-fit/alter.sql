ALTER a TYPE varchar(3)
