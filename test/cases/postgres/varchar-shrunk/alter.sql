ALTER a TYPE varchar(10)
