// Package contents reads what binary and source packages say of themselves, as uploads bring them:
// with limits far above what any honest one needs, and without believing a word.
//
// Small packages, which are most, are read without any other program.
package contents
