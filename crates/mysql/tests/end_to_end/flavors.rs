//! Tests that hold on MariaDB and on MySQL alike.

/// Makes of each function that takes a [`Flavor`](synapsor_mysql_testbed::Flavor) a test on MariaDB and one on MySQL.
macro_rules! on_both {
    ($($promise:ident)*) => {
        mod on_mariadb {
            $(#[test] fn $promise() { super::$promise(synapsor_mysql_testbed::Flavor::MariaDb); })*
        }
        mod on_mysql {
            $(#[test] fn $promise() { super::$promise(synapsor_mysql_testbed::Flavor::MySql); })*
        }
    };
}
